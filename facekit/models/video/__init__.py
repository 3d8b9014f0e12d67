"""Systems of motion and video: landmark sequences, and frames from landmarks."""
