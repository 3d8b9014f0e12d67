"""The studio as a web page: files that a browser opens from disk, with generators that run in it.

catalogue  which generators it offers, with names and a line on each
contents   faces, action units, presets and texts
runtime    onnxruntime-web, which runs the generators
page       writes the folder
web        the page itself
"""
