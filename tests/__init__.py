"""Tests of rigd; `README.md` says how to run them."""
