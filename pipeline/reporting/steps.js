// Makes one image with a slider of the grid of weight images; without it, and in print, the grid stays.
for (const series of document.querySelectorAll(".series")) {
  const steps = [...series.querySelectorAll("figure")];
  const slider = series.querySelector("input");
  const told = series.querySelector("output");
  const show = () => {
    steps.forEach((step, index) => step.classList.toggle("shown", index === Number(slider.value)));
    told.textContent = steps[slider.value].querySelector("figcaption").textContent;
  };
  slider.max = steps.length - 1;
  slider.value = slider.max;
  slider.addEventListener("input", show);
  series.classList.add("sliding");
  show();
}
