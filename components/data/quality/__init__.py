"""What the samples of each question type are worth: one measure a file, put together by `step`."""
