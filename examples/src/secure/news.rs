//! What waits until the application fetches it.

use std::collections::VecDeque;

/// News, the oldest first. When too much waits, the oldest is forgotten.
#[derive(Debug)]
pub(super) struct News<T> {
    waiting: VecDeque<T>,
    most: usize,
}

impl<T> News<T> {
    /// None yet. At `most` as many wait, and at least one.
    pub(super) const fn new(most: usize) -> Self {
        Self {
            waiting: VecDeque::new(),
            most,
        }
    }

    pub(super) fn tell(&mut self, one: T) {
        if self.waiting.len() >= self.most {
            self.waiting.pop_front();
        }
        self.waiting.push_back(one);
    }

    pub(super) fn fetch(&mut self) -> Option<T> {
        self.waiting.pop_front()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_news_is_forgotten_when_too_much_waits() {
        let mut news = News::new(2);
        (1..=3).for_each(|one| news.tell(one));
        assert_eq!(
            [news.fetch(), news.fetch(), news.fetch()],
            [Some(2), Some(3), None]
        );
    }
}
