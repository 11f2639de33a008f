"""What averaging brains loses: one module a test, each as published and as it should be."""
