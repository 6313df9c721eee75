"""What every command needs: the configuration, errors, files, paths, signals and the Hydra entry point."""
