"""Where a data set comes from: mirrors, npm packages, local folders."""
