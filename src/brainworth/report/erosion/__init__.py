"""The chapter on erosion: of each test its section, tables, figure and methods."""
