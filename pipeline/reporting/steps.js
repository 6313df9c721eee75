// Shows one weight image at a time, with a slider; without scripts, and in print, all images are shown.
for (const series of document.querySelectorAll(".series")) {
  const steps = [...series.querySelectorAll("figure")];
  const slider = series.querySelector("input");
  const epoch = series.querySelector("output");
  const show = () => {
    steps.forEach((step, index) => step.classList.toggle("shown", index === Number(slider.value)));
    epoch.textContent = steps[slider.value].querySelector("figcaption").textContent;
  };
  slider.max = steps.length - 1;
  slider.value = slider.max;
  slider.addEventListener("input", show);
  series.classList.add("sliding");
  show();
}
