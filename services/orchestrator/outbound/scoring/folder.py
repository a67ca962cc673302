"""Files in the folder that the service and its scoring process share, and the word to begin."""

JOB = "job.json"
PLAN = "plan.json"
SAMPLES = "samples.f32"
SHARED = "shared.f32"
RESULT = "result.jsonl"

GO = b"g"
