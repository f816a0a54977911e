"""Scores written elsewhere: MusicXML, MEI, Humdrum, ABC; and a draft of a take as MusicXML."""
