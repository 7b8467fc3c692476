/* folder: a fresh temporary folder for a test with real files. */
#ifndef CLOG_TESTS_LOG_FOLDER_H
#define CLOG_TESTS_LOG_FOLDER_H

#define FOLDER_PATH_SIZE 256u

/* Makes a folder, gives its path and makes it the working folder. */
void folder_enter(char path[static FOLDER_PATH_SIZE]);
/* Removes it with all that is in it. */
void folder_leave(const char *path);

#endif
