"""The GPU side: takes one attempt, makes and stores one picture, answers with facts."""
