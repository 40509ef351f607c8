"""The page for people: Gradio components, templates and what stands around them."""
