"""Camera to frames: decoding behind `VideoSource`, privacy masks, one reader thread a camera. Leaves sampling to others."""
