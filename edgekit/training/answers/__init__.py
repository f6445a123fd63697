"""What teachers answer to the views of the data: asked once, kept on disk, of one teacher or of several."""
