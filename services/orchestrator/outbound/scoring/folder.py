"""Files in the folder that the service and its scoring process share."""

JOB = "job.json"
PLAN = "plan.json"
SAMPLES = "samples.f32"
SHARED = "shared.f32"
RESULT = "result.jsonl"
