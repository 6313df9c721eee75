"""A sweep with the usual tools, in one file: Hydra's basic launcher, Keras `fit`, MLflow's callback and log_model.

python benchmarks/usual_stack.py --multirun +learning_rate=0.1,0.3 +batch_size=64,600 +epochs=5 +store=sqlite:///mlflow.db
"""

import hydra
from omegaconf import DictConfig


@hydra.main(version_base="1.3", config_path=None)
def main(cfg: DictConfig) -> None:
    """Train one model on prepared/. Log its params, metrics, weight figure and model."""
    import keras
    import matplotlib as mpl
    import mlflow
    import numpy as np

    from pipeline.core.paths import PREPARED

    mpl.use("Agg")
    import matplotlib.pyplot as plt

    x, y, valid_x, valid_y = (
        np.load(PREPARED / f"{name}_{kind}.npy") for name in ("train", "valid") for kind in ("images", "labels")
    )
    model = keras.Sequential(
        [
            keras.Input((28, 28)),
            keras.layers.Flatten(),
            keras.layers.Rescaling(1 / 255),
            keras.layers.Dense(10, "softmax", kernel_initializer="zeros"),
        ]
    )
    model.compile(keras.optimizers.SGD(cfg.learning_rate), "sparse_categorical_crossentropy", metrics=["accuracy"])
    mlflow.set_tracking_uri(cfg.store)
    with mlflow.start_run():
        mlflow.log_params(dict(cfg))
        model.fit(
            x,
            y,
            batch_size=cfg.batch_size,
            epochs=cfg.epochs,
            validation_data=(valid_x, valid_y),
            callbacks=[mlflow.tensorflow.MlflowCallback()],
            verbose=0,
        )
        figure, axes = plt.subplots(2, 5)
        for axis, weights in zip(axes.flat, model.get_weights()[0].T, strict=True):
            axis.imshow(weights.reshape(28, 28))
        mlflow.log_figure(figure, "weights.png")
        plt.close(figure)
        signature = mlflow.models.infer_signature(valid_x[:5], model.predict(valid_x[:5], verbose=0))
        mlflow.tensorflow.log_model(model, name="model", signature=signature)


if __name__ == "__main__":
    main()
