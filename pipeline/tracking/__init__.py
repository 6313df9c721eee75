"""Everything MLflow: the store, runs, and finding them again. The only room that imports MLflow."""

import logging
import os

# Read before MLflow writes the address of its store into the same variable.
ENVIRONMENT_URI = os.environ.get("MLFLOW_TRACKING_URI")

# Set before MLflow is imported. Its reports on a new database and its links to each ended run are noise in a sweep.
os.environ.setdefault("MLFLOW_LOGGING_LEVEL", "WARNING")
os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")
os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
# With MLflow's own retries a server that is gone blocks each call for minutes, and a run may be created twice.
os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "30")
# MLflow would log all metrics to this model. No store has it, so each metric would be refused.
os.environ.pop("MLFLOW_ACTIVE_MODEL_ID", None)
os.environ.setdefault("GIT_PYTHON_REFRESH", "quiet")  # MLflow's Git library is not needed where Git is missing
# It prints the traceback of what it then raises.
logging.getLogger("mlflow.store.db.utils").setLevel(logging.CRITICAL)
