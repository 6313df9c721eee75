"""Sources of a data set: mirrors, npm packages, local folders."""
