"""The pages of the dashboard, one module each; `components` has their parts."""
