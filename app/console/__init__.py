"""The operator's console: pages in a browser over a gallery, and the API behind them."""
