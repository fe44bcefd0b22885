package chat

import (
	"container/list"
	"sync"
	"time"
)

// imageCache keeps fetched images for a while, so that every run of a thread
// need not fetch them again. Those that were used longest ago make room.
type imageCache struct {
	now func() time.Time

	mu    sync.Mutex
	size  int // bytes of all entries
	byURL map[string]*list.Element
	order list.List // of *cachedImage, the last used first
}

type cachedImage struct {
	url, data string
	until     time.Time
}

func (i *cachedImage) size() int { return len(i.url) + len(i.data) }

func newImageCache(now func() time.Time) *imageCache {
	return &imageCache{now: now, byURL: map[string]*list.Element{}}
}

func (c *imageCache) get(url string) (data string, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	e, ok := c.byURL[url]
	if !ok {
		return "", false
	}
	image := e.Value.(*cachedImage)
	if !c.now().Before(image.until) {
		c.remove(e)
		return "", false
	}
	c.order.MoveToFront(e)
	return image.data, true
}

func (c *imageCache) put(url, data string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if e, ok := c.byURL[url]; ok {
		c.remove(e)
	}
	image := &cachedImage{url, data, c.now().Add(imageLife)}
	c.byURL[url] = c.order.PushFront(image)
	for c.size += image.size(); c.size > maxImageMemory; {
		c.remove(c.order.Back())
	}
}

func (c *imageCache) remove(e *list.Element) {
	image := e.Value.(*cachedImage)
	c.order.Remove(e)
	delete(c.byURL, image.url)
	c.size -= image.size()
}
