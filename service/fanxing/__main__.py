"""`python -m fanxing` is `fanxing`."""

from fanxing.cli import app

if __name__ == "__main__":
    app()
