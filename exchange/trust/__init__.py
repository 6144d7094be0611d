"""Who may sign what, where in the log; the one door; may this checkpoint follow. Pure, like core."""
