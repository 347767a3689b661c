import JSON

@testable import Rewards

/// A line of a file of prompts.
func prompt(_ line: String = #"{"prompt":"6 * 7 =","answer":42}"#, number: Int = 1) throws -> RewardedPrompt {
  try RewardedPrompt(try JSONValue(parsing: line), number: number, requiresAnswers: false)
}

func sample(
  _ completion: String, _ line: String = #"{"prompt":"6 * 7 =","answer":42}"#, promptText: String = "6 * 7 =",
  tokens: Int = 3, limit: Int = 100, isCut: Bool = false
) throws -> RewardedSample {
  RewardedSample(
    prompt: try prompt(line), promptText: promptText, completion: completion, tokenCount: tokens, tokenLimit: limit,
    isCut: isCut)
}
