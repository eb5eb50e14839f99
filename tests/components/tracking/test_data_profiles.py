from components import tracking


def test_a_profile_is_found_by_the_digest_of_its_dataset(tmp_path):
    path = tmp_path / "profile.parquet"
    path.write_text("of d")
    run_id = tracking.open_pipeline_run("pipeline tiny", tags={})
    assert not tracking.has_profile("d" * 64) and tracking.fetch_profile("d" * 64, tmp_path) is None
    tracking.keep_profile(run_id, "d" * 64, path)
    tracking.finish(run_id, "FAILED")  # its data were as they were all the same
    assert tracking.has_profile("d" * 64) and not tracking.has_profile("e" * 64)
    (tmp_path / "copy").mkdir()
    assert tracking.fetch_profile("d" * 64, tmp_path / "copy").read_text() == "of d"
