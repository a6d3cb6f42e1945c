"""What every target must hold."""

import pytest

from intonaco.core.errors import UnavailableError
from intonaco.infra.compute.tasks import Resources
from intonaco.infra.serving.packages.package import Package
from intonaco.infra.serving.packages.proof import scoring_fault
from intonaco.infra.serving.packages.target import Target

__all__ = ["TargetContract"]


class TargetContract:
    """Subclass it with the fixtures `target`, which nobody else uses, and `package`, which the target can hold."""

    @pytest.fixture
    def target(self) -> Target:
        """The target under test."""
        raise NotImplementedError("the subclass provides the fixture `target`")

    @pytest.fixture
    def package(self) -> Package:
        """A package that the target can hold."""
        raise NotImplementedError("the subclass provides the fixture `package`")

    def test_a_loaded_package_scores_its_sample_rows_as_recorded(self, target: Target, package: Package) -> None:
        assert scoring_fault(package, target.load(package, Resources())) == ""

    def test_a_servable_has_the_signature_of_its_package(self, target: Target, package: Package) -> None:
        assert target.load(package, Resources()).signature == package.signature

    def test_two_servables_of_one_package_do_not_disturb_each_other(self, target: Target, package: Package) -> None:
        first, second = target.load(package, Resources()), target.load(package, Resources())
        assert scoring_fault(package, first) == scoring_fault(package, second) == scoring_fault(package, first) == ""

    def test_a_closed_target_scores_nothing(self, target: Target, package: Package) -> None:
        servable = target.load(package, Resources())
        target.close()
        with pytest.raises(UnavailableError):
            servable.predict(package.samples)
