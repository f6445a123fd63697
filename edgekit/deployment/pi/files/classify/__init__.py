"""The app beside app.py: classify picture files, new files of a folder, what a camera sees, what is sent over HTTP.

Its floor is Python 3.9 with NumPy, Pillow and one runtime.
"""
