"""Values that an enhanced object keeps in its functional groups are found where the decoder looks for them."""

from pydicom import Dataset, Sequence

from cxr_core.film.decoding.dicom_header.functional_groups import lift_frame_values
from tests.film.decoding.dicom_header.test_statements import coded, dataset


def groups(**macros: Dataset) -> Sequence:
    """A sequence of functional groups for one frame, each macro with one item."""
    return Sequence([dataset(**{name: Sequence([item]) for name, item in macros.items()})])


def test_shared_values_and_those_of_the_frame_are_lifted() -> None:
    file = dataset(
        SharedFunctionalGroupsSequence=groups(
            PixelMeasuresSequence=dataset(PixelSpacing=[0.2, 0.2]),
            FrameAnatomySequence=dataset(AnatomicRegionSequence=coded("51185008", "Thorax")),
        ),
        PerFrameFunctionalGroupsSequence=groups(
            FrameVOILUTSequence=dataset(WindowCenter=[2048], WindowWidth=[4096]),
            PixelValueTransformationSequence=dataset(RescaleSlope=2, RescaleIntercept=-5),
        ),
    )
    assert lift_frame_values(file) == ()
    assert list(file.PixelSpacing) == [0.2, 0.2]
    assert file.AnatomicRegionSequence[0].CodeValue == "51185008"
    assert (file.WindowCenter, file.WindowWidth) == (2048, 4096)
    assert (file.RescaleSlope, file.RescaleIntercept) == (2, -5)


def test_a_value_of_the_frame_counts_and_a_contradiction_is_told() -> None:
    def window(centre: int) -> Sequence:
        return groups(FrameVOILUTSequence=dataset(WindowCenter=centre, WindowWidth=100))

    agreeing = dataset(WindowCenter=50, SharedFunctionalGroupsSequence=window(50))
    assert lift_frame_values(agreeing) == ()
    file = dataset(
        WindowCenter=50,
        SharedFunctionalGroupsSequence=window(50),
        PerFrameFunctionalGroupsSequence=window(70),
    )
    assert lift_frame_values(file) == ("frame_values_differ",)
    assert file.WindowCenter == 70


def test_nothing_is_lifted_from_empty_or_broken_groups_or_of_other_elements() -> None:
    for group in (Sequence(), groups(), groups(FrameContentSequence=dataset(StackID="Meier"))):
        file = dataset(SharedFunctionalGroupsSequence=group)
        assert lift_frame_values(file) == ()
        assert list(file.keys()) == [0x52009229]
