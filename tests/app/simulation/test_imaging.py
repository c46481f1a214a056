import numpy as np
import pytest

from app.simulation.camera import Look
from app.simulation.imaging import Sensor, encode, tone_curve


def test_light_of_a_value_gives_the_value():
    curve, back = tone_curve()
    values = np.arange(250, dtype=np.uint8)
    assert np.abs(encode(back[values], curve).astype(int) - values).max() <= 1
    assert (np.diff(curve.astype(int)) >= 0).all()
    assert curve[0] == 0
    assert curve[-1] >= 254


@pytest.mark.parametrize("sigma", [1.0, 3.0])
def test_noise_is_as_strong_as_asked_and_the_frames_own(sigma):
    sensor = Sensor(Look(noise=sigma, blur=0), (96, 64), [1, 2])
    grey = np.full((64, 96, 3), 128, np.uint8)
    first, second = sensor.expose(grey, 1), sensor.expose(grey, 2)
    np.testing.assert_array_equal(first, sensor.expose(grey, 1))
    np.testing.assert_array_equal(first, Sensor(Look(noise=sigma, blur=0), (96, 64), [1, 2]).expose(grey, 1))
    assert (first != second).any()
    assert (first != Sensor(Look(noise=sigma, blur=0), (96, 64), [1, 3]).expose(grey, 1)).any()
    assert first.std() == pytest.approx(sigma, rel=0.15)
    assert first.mean() == pytest.approx(128, abs=0.3)


def test_without_noise_and_blur_a_picture_stays_as_it_is():
    image = np.random.default_rng(0).integers(0, 256, (20, 30, 3), np.uint8)
    sensor = Sensor(Look(noise=0, blur=0), (30, 20), [1])
    np.testing.assert_array_equal(sensor.expose(image, 1), image)
    assert sensor.expose(image, 1) is not image


def test_blur_spreads_a_point_by_its_standard_deviation():
    image = np.zeros((31, 31, 3), np.uint8)
    image[15, 15] = 255
    spread = Sensor(Look(noise=0, blur=1.5), (31, 31), [1]).expose(image, 1)[..., 0].astype(float)
    share = spread / spread.sum()
    assert np.sqrt((share.sum(axis=0) * (np.arange(31) - 15) ** 2).sum()) == pytest.approx(1.5, rel=0.1)
