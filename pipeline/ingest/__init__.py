"""Camera to frames: decoding behind `VideoSource`, privacy masks, one reader thread a camera."""
