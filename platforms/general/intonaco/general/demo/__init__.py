"""The main job: correcting the arrival times that a timetable promises, on the flights that left New York in 2013."""
