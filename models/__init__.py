"""The produce classifier and the recipe it was trained by; `README.md` beside this file is its model card."""
