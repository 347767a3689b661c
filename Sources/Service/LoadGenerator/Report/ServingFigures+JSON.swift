import JSON

extension ServingFigures {
  /// The figures under the names that `vllm bench serve` gives them, and those it has not.
  package var json: JSONValue {
    var object = JSONObject([
      ("duration", .double(duration)), ("num_prompts", .int(record.requested)), ("completed", .int(completed)),
      ("failed", .int(failed)), ("interrupted", .int(interrupted)), ("retries", .int(retries)),
      ("errors", .object(JSONObject(failures.map { ($0.reason, .int($0.count)) }))),
      ("total_input_tokens", .int(promptTokens)), ("total_cached_tokens", .int(cachedTokens)),
      ("total_output_tokens", .int(outputTokens)), ("completed_without_usage", .int(withoutUsage)),
      ("request_throughput", .double(rate(completed))), ("input_throughput", .double(rate(promptTokens))),
      ("output_throughput", .double(rate(outputTokens))),
      ("total_token_throughput", .double(rate(promptTokens + outputTokens))),
      ("max_concurrent_requests", .int(record.peakConcurrency)),
    ])
    if let goal, let good {
      object["goodput_goals"] = .string(goal.text)
      object["good"] = .int(good)
      object["request_goodput"] = .double(rate(good))
    }
    for (name, summary) in [
      ("ttft", timeToFirstToken), ("tpot", timePerOutputToken), ("itl", interTokenLatency), ("e2el", latency),
    ] {
      for (statistic, seconds) in [
        ("mean", summary.mean), ("median", summary.median), ("p90", summary.p90), ("p99", summary.p99),
        ("max", summary.maximum),
      ] { object["\(statistic)_\(name)_ms"] = .double(seconds * 1000) }
    }
    return .object(object)
  }

  /// Each request by itself, in the order in which they were sent; times in seconds.
  package var requestsJSON: JSONValue {
    .array(
      record.outcomes.sorted { $0.start < $1.start }.map { outcome in
        var object = JSONObject([
          ("start", .double(outcome.start)), ("duration", .double(outcome.duration)),
          ("prompt_tokens", .int(outcome.promptTokens)), ("cached_tokens", .int(outcome.cachedTokens)),
          ("output_tokens", .int(outcome.outputTokens)),
          ("token_times", .array(outcome.tokenTimes.map { .double($0) })),
        ])
        switch outcome.ending {
        case .completed: object["ending"] = "completed"
        case .failed(let reason): (object["ending"], object["error"]) = ("failed", .string(reason))
        case .interrupted: object["ending"] = "interrupted"
        }
        return .object(object)
      })
  }
}
