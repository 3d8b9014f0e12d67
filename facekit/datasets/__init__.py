"""Datasets of faces. `open_dataset(name, split)` opens one by name; all of them return `Faces`.

Datasets, one file each:

    synthetic   `SyntheticFaces`, the embedded dataset, and its pairs, transfers and motions (a package of its own)
    fer2013     FER-2013: greyscale faces from a web search, noisy labels of seven emotions
    ckplus      CK+: sequences from neutral to the peak, coded in FACS
    ferg        FERG-DB: six cartoon characters with seven expressions
    affectnet   AffectNet: faces from the web with emotion, valence, arousal and landmarks
    rafd        RaFD: eight expressions, three directions of gaze, five cameras
    rafdb       RAF-DB: faces from the web with seven emotions, by forty annotators each
    jaffe       JAFFE: ten women with seven expressions
    kdef        KDEF: 70 people, seven expressions, five angles
    expw        ExpW: faces in photographs from the web, with their boxes
    sfew        SFEW and AFEW: faces from films
    oulu_casia  Oulu-CASIA: clips from neutral to the peak, in three kinds of light
    mug         MUG: clips from neutral to the peak and back
    emotionet   EmotioNet: faces from the web with action units; `openface` reads those that OpenFace estimates
    celeba      CelebA: celebrities with identities and attributes, without emotions
    lfw         LFW: people in the news, without emotions, and the pairs by which recognisers are compared
    pairs       people with a neutral and a happy photograph each
    folder      any folder of images, sorted by emotion or listed in a CSV file
    joint       a dataset of photographs and one of cartoons together

What they have in common:

    base        `FaceDataset`, `open_dataset`, `loader`
    stored      base class of datasets whose images are stored as one array
    records     image files with annotations: splits by person, reading into a table; base class of such datasets
    clips       base class of datasets of clips, folders of frames from neutral to the peak
    tables      text tables in any common encoding and with any common separator
    packed      images packed in parquet or tar files
    pixel_table tables whose rows hold an emotion and the pixels of an image
    sources     origin and layout of a dataset; collecting unusable files
    cache       arrays that are computed once and kept on disk
    sampling    class weights and balanced sampling
    check       a report on all datasets that are present

Images:

    pictures    reading and checking image files
    detection   finding faces, eyes and landmarks in a photograph
    alignment   the similarity transform that puts the eyes at fixed positions
    prepare     detection, alignment and cropping of single photographs and whole folders
"""

from facekit.datasets.base import DATASETS, DatasetMissing, FaceDataset, Problem, loader, open_dataset

__all__ = ["DATASETS", "DatasetMissing", "FaceDataset", "Problem", "loader", "open_dataset"]
