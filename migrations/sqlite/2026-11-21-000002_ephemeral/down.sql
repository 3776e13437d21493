DROP TABLE rate_windows;
DROP TABLE ceremonies;
DROP TABLE sessions;
