"""Who else there is: platforms, mail. Each adapter speaks to one other system and to nobody here."""
