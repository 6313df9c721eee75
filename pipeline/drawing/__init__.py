"""Canvas and text of figures."""

import matplotlib as mpl

mpl.rcdefaults()  # instead of the user's matplotlibrc
