"""What is done when a training can't go on as it was: resume, numbers that aren't finite, too little memory."""
