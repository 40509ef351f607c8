"""Numbers: what Dateline finds and says on questions with known answers, beside plain baselines."""
