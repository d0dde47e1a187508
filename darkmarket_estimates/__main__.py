"""`python -m darkmarket_estimates`: the command line where its script is not on the path."""

from darkmarket_estimates.cli import app

if __name__ == "__main__":
    app(prog_name="python -m darkmarket_estimates")
