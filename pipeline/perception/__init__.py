"""Frame to observation: encoder, detector, tracker."""
