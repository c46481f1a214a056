"""The application: everything a user touches."""

from importlib.metadata import PackageNotFoundError, version

try:
    __version__ = version("crowdtrace")
except PackageNotFoundError:  # a checkout that was not installed
    __version__ = "0.1.0"
