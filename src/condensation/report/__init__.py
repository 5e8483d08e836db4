"""What people look at: pictures and progress."""
