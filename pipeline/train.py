"""Train the softmax model on prepared/, and log the run in MLflow.

python -m pipeline.train train.learning_rate=0.05
python -m pipeline.train experiment=theano_tutorial
python -m pipeline.train --multirun train.learning_rate=0.03,0.1,0.3 train.batch_size=64,256,600

The files of the run go to Hydra's output folder, below outputs/.
"""

from pipeline.core import app
from pipeline.core.config import Config
from pipeline.core.errors import UserError
from pipeline.core.job_context import JobContext
from pipeline.core.paths import relative_to_cwd
from pipeline.core.progress import next_stage
from pipeline.training import training_sets


def train(config: Config) -> float:
    """Train one model and return its lowest validation error, a fraction, as Hydra's sweepers expect."""
    if config.sweep.dry_run:
        raise UserError("sweep.dry_run=true is for sweeps: add --multirun, or a preset as +sweep=grid")
    sets = training_sets.read(config)
    # Late, because TensorFlow and MLflow take seconds to import: the settings are known to be sound now.
    from pipeline.training.job import TrainingJob, train_jobs

    context = JobContext.from_hydra()
    job = TrainingJob(config, sets, context)
    train_jobs([job])  # a bank of one
    error = job.result()
    if context.number is None:
        next_stage("python -m pipeline.report", [relative_to_cwd(context.output_dir), *context.store_options])
    return error


if __name__ == "__main__":
    app.run(train, trains=True)
