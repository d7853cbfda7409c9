"""What scores are worth when metadata or a kind of photograph is missing at test time, though it was there in training."""
