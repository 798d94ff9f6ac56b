# Empty on purpose: Debian has no such gem, or the suite may not need it.
