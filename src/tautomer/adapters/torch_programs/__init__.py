"""PyTorch programs inside a worker: loading, running, capturing, lifting to float64. Imports torch only when used."""
