"""Moving house: writes an archive to a folder of files that others can read, and fills an archive from one."""
